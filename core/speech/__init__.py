"""Speech: the words in a recording, and whether they are to be believed. It knows neither pictures nor who speaks."""
