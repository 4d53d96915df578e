wrk.method = "OPTIONS"
wrk.headers["Origin"] = "http://app.example"
wrk.headers["Access-Control-Request-Method"] = "PUT"
wrk.headers["Access-Control-Request-Headers"] = "x-token"
