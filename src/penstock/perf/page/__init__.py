"""What every page we draw shares: style, charts and flamegraphs as static files, and the code that puts them in."""
