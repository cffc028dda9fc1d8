/** A bare connection, for what no HTTP client would send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const QUIET_MS = 20;

export class RawConnection implements Disposable {
  readonly #socket: Socket;
  #received = '';
  #isClosed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => {
      this.#received += chunk.toString('latin1');
    });
    socket.on('error', () => {}); // being reset is one of the ends that tests expect
    socket.on('close', () => {
      this.#isClosed = true;
    });
  }

  static async open(url: string): Promise<RawConnection> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  get received(): string {
    return this.#received;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(bytes: string | Buffer): void {
    this.#socket.write(bytes);
  }

  /** Closes our side, as a client does that has gone away in good order. */
  end(): void {
    this.#socket.end();
  }

  /** Waits until what was received matches, or the other side has closed. */
  async until(pattern: RegExp | 'closed', withinMs: number): Promise<string> {
    const untilMs = Date.now() + withinMs;
    while (!this.#isClosed && !(pattern instanceof RegExp && pattern.test(this.#received))) {
      if (Date.now() > untilMs)
        throw new Error(`no ${pattern} within ${withinMs} ms, but: ${this.#received}`);
      await delay(QUIET_MS);
    }
    return this.#received;
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
