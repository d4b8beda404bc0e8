"""Which alternative is faster: interleaved runs, intervals, a verdict for each pair, and the recommendation."""
