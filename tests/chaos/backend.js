// A backend that is told on its standard input how to behave: backend.js NAME PORT [DATABASE PORT].
//   fine, half (every third answer is a 500), slow (10 s), cut (a reset in the middle of the body),
//   garbage (no HTTP), error (503), ill (like error, and /health too), storm (every other one a 503).
// "tell" prints how many requests came so far, checks not counted.
// With a database's port it holds a connection there and answers 503 while it has none.
'use strict';
const http = require('http');
const net = require('net');
const readline = require('readline');
const [name, port, database] = process.argv.slice(2);
const body = Buffer.alloc(1024, name);
let mood = 'fine';
let count = 0;
let total = 0;
let connected = !database;

function connect() {
  const socket = net.connect(Number(database), '127.0.0.1', () => { connected = true; });
  socket.on('error', () => {});
  socket.on('close', () => { connected = false; setTimeout(connect, 50); });
  socket.resume();
}
if (database) connect();

function answer(res, status) {
  res.writeHead(status, { 'X-Backend': name, 'Content-Length': body.length });
  res.end(body);
}

const moods = {
  fine: (res) => answer(res, connected ? 200 : 503),
  half: (res) => answer(res, ++count % 3 === 0 ? 500 : 200),
  slow: (res) => setTimeout(() => answer(res, 200), 10000),
  storm: (res) => answer(res, ++count % 2 === 0 ? 503 : 200),
  error: (res) => answer(res, 503),
  ill: (res) => answer(res, 503),
  garbage(res) {
    res.socket.end('\x16\x03\x01 this is not HTTP at all\r\n\r\n');
  },
  cut(res) {
    res.writeHead(200, { 'X-Backend': name, 'Content-Length': body.length });
    res.write(body.subarray(0, 512));
    setImmediate(() => res.socket && res.socket.resetAndDestroy());
  },
};

const server = http.createServer((req, res) => {
  if (req.url === '/health') return answer(res, mood === 'ill' ? 503 : 200);
  total += 1;
  moods[mood](res);
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
server.listen(Number(port), '127.0.0.1', 1024, () => console.log(server.address().port));
readline.createInterface({ input: process.stdin }).on('line', (line) => {
  if (line === 'tell') console.log(`total ${total}`);
  else mood = line;
});
