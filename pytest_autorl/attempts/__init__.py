"""The attempts of a test: how one is run, what its failure means, and whether another one follows."""
