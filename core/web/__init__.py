"""The page: a front end beside the command line, for whoever has a browser. It has never heard of Discord."""
