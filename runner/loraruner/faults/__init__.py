"""What networks and stores do wrong, done on purpose: a proxy, the kinds of fault, and a trial of a store."""
