"""One attempt at one item: the libcurl transport, or any async callable."""
