/** An HTTP client with connections of its own, that hands back exactly the bytes it got. */
import { Agent, type IncomingHttpHeaders, request } from 'node:http';

export type HttpQuestion = {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};

export class HttpClient implements Disposable {
  readonly #url: string;
  readonly #agent: Agent;

  constructor(url: string, connections = 8) {
    this.#url = url;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  get(path: string): Promise<HttpAnswer> {
    return this.ask(path);
  }

  /** Posts text as it is and anything else as JSON. */
  post(path: string, body: unknown): Promise<HttpAnswer> {
    const text = typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
    return this.ask(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: text });
  }

  ask(path: string, { method = 'GET', headers = {}, body }: HttpQuestion = {}): Promise<HttpAnswer> {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    return new Promise((resolve, reject) => {
      const options = { agent: this.#agent, method, headers: { ...length, ...headers } };
      const asked = request(new URL(path, this.#url), options, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, headers } = response;
          resolve(new HttpAnswer(statusCode, headers, Buffer.concat(chunks).toString()));
        });
      });
      asked.on('error', reject);
      asked.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

export class HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;

  constructor(status: number, headers: IncomingHttpHeaders, text: string) {
    this.status = status;
    this.headers = headers;
    this.text = text;
  }

  /** The text as JSON. */
  get json() {
    return JSON.parse(this.text);
  }
}
