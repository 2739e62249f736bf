// A plain node HTTP server with the answers that tests ask for; prints its port.
'use strict';
const http = require('http');
const crypto = require('crypto');

function sha256(req, res) {
  const hash = crypto.createHash('sha256');
  let size = 0;
  req.on('data', (piece) => { hash.update(piece); size += piece.length; });
  req.on('end', () => res.end(JSON.stringify({ size, sha256: hash.digest('hex') })));
}

// N pseudo-random bytes in pieces of random sizes, so that chunk borders fall anywhere.
function bytes(req, res, total) {
  const digest = crypto.createHash('sha256');
  res.setHeader('Trailer', 'X-Sha256');
  let left = total;
  const more = () => {
    while (left > 0) {
      const piece = crypto.randomBytes(Math.min(left, 1 + crypto.randomInt(70000)));
      left -= piece.length;
      digest.update(piece);
      if (!res.write(piece)) return res.once('drain', more);
    }
    res.addTrailers({ 'X-Sha256': digest.digest('hex') });
    res.end();
  };
  more();
}

function echo(req, res) {
  const pieces = [];
  req.on('data', (piece) => pieces.push(piece));
  req.on('end', () => res.end(JSON.stringify({
    method: req.method, url: req.url, headers: req.headers, trailers: req.trailers,
    body: Buffer.concat(pieces).toString('latin1') })));
}

const server = http.createServer((req, res) => {
  const [, name, argument] = req.url.split('/');
  if (name === 'sha256') return sha256(req, res);
  if (name === 'bytes') return bytes(req, res, Number(argument));
  if (name === 'hints') res.writeEarlyHints({ link: '</style.css>; rel=preload' });
  echo(req, res);
});
server.requestTimeout = 0;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
