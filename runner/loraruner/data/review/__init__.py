"""People judge samples on a sheet; their word is applied to the data and kept beside it. On local folders."""
