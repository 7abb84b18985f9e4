"""Text models without a host: a checkpoint file's, the demonstration's, one in memory, one beside a host's model."""
