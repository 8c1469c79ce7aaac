module restic-rest-server

go 1.21
