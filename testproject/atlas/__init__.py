"""An atlas on kontract: the world's countries, languages and currencies as versioned documents."""
