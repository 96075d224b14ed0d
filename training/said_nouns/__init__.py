"""The list of English nouns, and what can be seen of them, made from WordNet."""
