"""The mathematics of one dictionary and the file formats it is kept in."""
