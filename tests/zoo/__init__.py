"""One procedure of each kind, and one value of each type: what generated clients have to cope with."""
