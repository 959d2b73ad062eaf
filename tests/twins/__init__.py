"""Pairs of models with the same fields: an ordinary one in the app ``plain``, a versioned one in the app ``versioned``.

Both are made of one abstract model in ``shapes``, so that what Django does with the one is what kontract is to do with
the other.
"""
