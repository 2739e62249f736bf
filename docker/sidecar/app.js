// An application with evergate beside it: it listens on a Unix socket and asks other services
// through evergate's outbound listener, by their names.
//
//   node app.js        APP_SOCKET, OUTBOUND, APP_NAME from the environment
//
// Two habits make its restart invisible:
//   - A new instance listens under a name of its own and then renames its socket over the old one:
//     at every moment there is one that somebody listens on. Nobody unlinks it at the end.
//   - SIGTERM ends it when what it has begun is answered.
'use strict';

const fs = require('fs');
const http = require('http');

const socket = process.env.APP_SOCKET || '/run/app/app.sock';
const outbound = process.env.OUTBOUND || '127.0.0.1:9000';
const name = process.env.APP_NAME || 'app';

let ending = false;

function answer(response, status, text) {
  if (ending) {
    response.setHeader('Connection', 'close'); // else the connection would be kept, and we with it
  }
  response.writeHead(status, { 'Content-Type': 'text/plain', 'X-Backend': name });
  response.end(text);
}

// GET /ask/orders/7 is answered with what the service "orders" says to GET /7.
function ask(service, path, response) {
  const [host, port] = outbound.split(':');
  const request = http.get({ host, port, path, headers: { Host: service } }, (told) => {
    let text = '';
    told.on('data', (piece) => { text += piece; });
    told.on('end', () => answer(response, told.statusCode, `${service} says: ${text}`));
  });
  request.on('error', (error) => answer(response, 502, `${service}: ${error.message}\n`));
}

const server = http.createServer((request, response) => {
  const asked = /^\/ask\/([a-z]+)(\/.*)$/.exec(request.url);
  if (asked) {
    ask(asked[1], asked[2], response);
  } else {
    answer(response, 200, `${name}\n`);
  }
});

const mine = `${socket}.${process.pid}`;
fs.rmSync(mine, { force: true }); // of one with our number that was killed before it renamed it
server.listen(mine, () => {
  fs.renameSync(mine, socket);
  console.log(`${name} listens`);
});

process.on('SIGTERM', () => {
  ending = true;
  console.log(`${name} finishes what it has begun`);
  server.close(() => process.exit(0)); // accepts no more, and ends after the last answer
  server.closeIdleConnections();
});
