"""How it is done: sync, threads, processes, asyncio, uvloop, Penstock's engine; one file each, the same clients."""
