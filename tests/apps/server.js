// An HTTP server in Node, on the unix socket that its command line names: tells who it is, and does what the path says.
'use strict';
const http = require('node:http');

console.log(`listening for ${process.env.SHOP}`);
const server = http.createServer((request, response) => {
  if (request.url === '/exit') process.exit(3);
  if (request.url === '/leave') process.exit(0);
  if (request.url === '/slow') {
    response.write('begun');
    process.once('SIGUSR1', () => response.end(' ended'));
    return;
  }
  const { pid } = process;
  const told = { pid, uid: process.getuid(), cwd: process.cwd(), env: process.env, socket: process.argv[2] };
  response.end(JSON.stringify(told, null, 1));
});
server.listen(process.argv[2]);
