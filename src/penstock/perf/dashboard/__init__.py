"""The live dashboard: a small web server beside a run, which shows it and lets its owner steer it."""
