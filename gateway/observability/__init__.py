"""What operators may see: structured logs and metrics from closed lists, never content."""
