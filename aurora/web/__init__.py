"""What every HTTP process does alike: ids and log lines of requests, headers of answers, refusals."""
