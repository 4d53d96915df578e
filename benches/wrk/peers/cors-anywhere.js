// The gateway on node, with its connections kept alive on both sides.
const http = require("http");
require("cors-anywhere")
  .createServer({ httpProxyOptions: { agent: new http.Agent({ keepAlive: true, maxSockets: 1024 }) } })
  .listen({listen}, "127.0.0.1");
