"""Masters (re-fit the neurons found so far) and the outer loop that calls them."""
