"""Static charts as SVG, made in Python from plain data: no script, no library, light and dark, readable on a phone."""
