"""COMODO: distil what a frozen video model knows into an IMU encoder, without labels."""
