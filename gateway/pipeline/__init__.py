"""What is done with a message, one file a verb. Each verb is safe to repeat, and says why."""
