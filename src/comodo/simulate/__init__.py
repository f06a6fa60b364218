"""A simulated paired data set: one trajectory per recording drives both a rendered camera and an IMU."""
