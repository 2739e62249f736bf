// node ws_crowd.js URL COUNT PERIOD_MS: COUNT WebSockets to an echo server, all of them talking.
// Each sends a numbered message every PERIOD_MS and checks that the echoes come back whole and in
// order. Prints "open" when all are open; "tell" on its standard input makes it print how many
// messages came back so far; at the end of its input it waits for the echoes that are due, closes
// the sockets and prints what it saw as one JSON line.
'use strict';
const readline = require('readline');
const WebSocket = require('ws');
const [url, count, period] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const DUE_MS = 20000;
const seen = { opened: 0, sent: 0, received: 0, closed: [], corrupted: [], overdue: 0 };
const members = [];
let ending = false;

class Member {
  constructor(number) {
    this.number = number;
    this.sent = 0;
    this.received = 0;
    this.socket = new WebSocket(url, { perMessageDeflate: false });
    this.socket.on('open', () => this.onOpen());
    this.socket.on('message', (data) => this.onMessage(data.toString()));
    this.socket.on('error', (error) => this.note(`error ${error.message}`));
    this.socket.on('close', (code) => this.note(`closed with ${code}`));
  }

  // Sizes differ, so that messages fall across the borders of what is read at once.
  text(index) {
    return `${this.number}:${index}:` + 'x'.repeat((index * 37 + this.number * 101) % 900);
  }

  onOpen() {
    seen.opened += 1;
    if (seen.opened === count) console.log('open');
    setTimeout(() => { this.timer = setInterval(() => this.speak(), period); },
      (this.number * period) / count);
  }

  speak() {
    if (ending) return;
    this.socket.send(this.text(this.sent++));
    seen.sent += 1;
  }

  onMessage(text) {
    if (text !== this.text(this.received)) {
      seen.corrupted.push(`socket ${this.number}, message ${this.received}: ${text.slice(0, 60)}`);
    }
    this.received += 1;
    seen.received += 1;
  }

  note(what) {
    clearInterval(this.timer);
    if (!ending) seen.closed.push(`socket ${this.number}: ${what} after ${this.received} messages`);
  }
}

function finish() {
  const due = Date.now() + DUE_MS;
  members.forEach((member) => clearInterval(member.timer));
  (function wait() {
    seen.overdue = members.reduce((sum, member) => sum + member.sent - member.received, 0);
    if (seen.overdue > 0 && seen.closed.length === 0 && Date.now() < due) return setTimeout(wait, 10);
    ending = true;
    console.log(JSON.stringify(seen));
    process.exit(0);
  })();
}

for (let number = 0; number < count; number++) members.push(new Member(number));
readline.createInterface({ input: process.stdin })
  .on('line', () => console.log(seen.received))
  .on('close', finish);
