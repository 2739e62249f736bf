// node ws_client.js URL SCENARIO: a real WebSocket client; prints what happened as one JSON line.
'use strict';
const crypto = require('crypto');
const WebSocket = require('ws');
const [url, scenario] = process.argv.slice(2);
const socket = new WebSocket(url, { perMessageDeflate: false, rejectUnauthorized: false });
const done = (result) => { console.log(JSON.stringify(result)); process.exit(0); };

const scenarios = {
  echo() {
    const sent = ['first', 'second', 'third'], got = [];
    socket.on('open', () => sent.forEach((text) => socket.send(text)));
    socket.on('message', (data) => {
      got.push(data.toString());
      if (got.length === sent.length) socket.close(1000, 'bye');
    });
    socket.on('close', (code, reason) => done({ got, code, reason: reason.toString() }));
  },
  big() {
    const message = crypto.randomBytes(8 * 1024 * 1024);
    socket.on('open', () => socket.send(message));
    socket.on('message', (data) => done({ equal: data.equals(message), size: data.length }));
  },
  listen() {
    const got = [];
    socket.on('message', (data) => { got.push(data.toString()); socket.close(1000); });
    socket.on('close', (code, reason) => done({ got, code, reason: reason.toString() }));
  },
  many() {
    let count = 0;
    socket.on('open', () => { for (let i = 0; i < 2000; i++) socket.send('m' + i); });
    socket.on('message', (data) => {
      if (data.toString() !== 'm' + count++) done({ error: data.toString(), count });
      if (count === 2000) done({ count });
    });
  },
};
socket.on('unexpected-response', (req, res) => done({ status: res.statusCode }));
socket.on('error', (error) => done({ error: error.message }));
scenarios[scenario]();
