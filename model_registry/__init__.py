"""Which models exist, what they take, and the code that runs them."""
