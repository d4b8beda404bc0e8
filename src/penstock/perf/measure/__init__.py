"""One measured run of one alternative, in a process of its own: closed or open loop, its latencies, CPU and memory."""
