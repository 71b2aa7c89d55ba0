"""How the processes of one machine are started, watched and asked how they are."""
