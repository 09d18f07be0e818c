// The search by @modelcontextprotocol/client, told to take the newest era that the server has.

import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { asked, search, structured, tell } from "./search.mjs";

function transport(way) {
  if (way.url) {
    const requestInit = { headers: { Authorization: `Bearer ${way.token}` } };
    return new StreamableHTTPClientTransport(new URL(way.url), { requestInit });
  }
  const [command, ...args] = way.command;
  return new StdioClientTransport({ command, args });
}

const way = asked();
const info = { name: "typescript-client", version: "1" };
const client = new Client(info, { versionNegotiation: { mode: "auto" } });
await client.connect(transport(way));
let progress = 0;
const onprogress = () => { progress += 1; };
const call = async (name, arguments_) =>
  structured(await client.callTool({ name, arguments: arguments_ }, { onprogress }));
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const protocol = client.getNegotiatedProtocolVersion() ?? "";
const facts = await search(way, call, { protocol, tools });
await client.close();
tell({ ...facts, progress });
