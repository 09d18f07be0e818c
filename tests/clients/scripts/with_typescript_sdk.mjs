// The search by @modelcontextprotocol/sdk, the TypeScript SDK of the handshake era.

import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
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
const client = new Client({ name: "typescript-sdk", version: "1" });
const connection = transport(way);
await client.connect(connection);
let progress = 0;
const onprogress = () => { progress += 1; };
const call = async (name, arguments_) =>
  structured(await client.callTool({ name, arguments: arguments_ }, undefined, { onprogress }));
const tools = (await client.listTools()).tools.map((tool) => tool.name);
const facts = await search(way, call, { protocol: connection.protocolVersion ?? "", tools });
await client.close();
tell({ ...facts, progress });
