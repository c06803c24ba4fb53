"""Letters as documents: what their files hold, read in a process of its own, and what may not leave in them."""
