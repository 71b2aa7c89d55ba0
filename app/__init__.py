"""What people and programs read: the pages behind their login, the REST API, and the questions both ask the lake."""
