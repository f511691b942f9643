"""What others do to the labels of a feature, told to open pages as it happens."""
