"""Each stage measured against the limit that its hardware sets, or against what people use today: `make bench`."""
