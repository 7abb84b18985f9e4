"""The adapters in hosts that are small fakes, and the contract that each of them must keep."""
