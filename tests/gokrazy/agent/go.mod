module restic-rest-server-test/agent

go 1.24.0
