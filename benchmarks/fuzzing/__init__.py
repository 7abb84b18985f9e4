"""What the fuzzer throws, and what it expects back."""
