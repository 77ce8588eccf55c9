"""Papers as values, and what draws them as files; nobody here asks who may read them."""
