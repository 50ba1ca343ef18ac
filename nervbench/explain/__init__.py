"""Why a time is what it is, and what it would be elsewhere: arithmetic over records and device cards."""
