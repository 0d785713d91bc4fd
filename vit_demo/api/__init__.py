"""The questions for programs, agents and the terminal: questions.py says what can be asked and what comes back,
endpoints.py offers it to clients, commands.py to a terminal."""
