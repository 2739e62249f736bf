// A WebSocket echo server on the npm package ws; prints its port. The path chooses what it does.
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');

const server = http.createServer((req, res) => res.writeHead(426).end('upgrade required'));
const sockets = new WebSocketServer({ server, perMessageDeflate: false,
  verifyClient: (info) => !info.req.url.startsWith('/refuse') });
sockets.on('connection', (socket, req) => {
  if (req.url === '/close') return socket.close(4001, 'as asked');
  if (req.url === '/ping') return socket.ping('are you there', false, () => {
    socket.on('pong', (data) => socket.send('pong:' + data));
  });
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('close', (code, reason) => console.log(`closed ${code} ${reason}`));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
