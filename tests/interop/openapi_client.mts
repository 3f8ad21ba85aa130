// A program of somebody else: reads a server's API with types made from its description, and prints what it found.
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

declare const process: { argv: string[] };
type Figure = components["schemas"]["Figure"];

const client = createClient<paths>({ baseUrl: process.argv[2] });
const task = { params: { path: { task: 1 } } };
const tasks = await client.GET("/api/v1/tasks", { params: { query: { limit: 1, state: "ended" } } });
const details = await client.GET("/api/v1/tasks/{task}/details", task);
const rounds = await client.GET("/api/v1/tasks/{task}/rounds", task);
const clients = await client.GET("/api/v1/tasks/{task}/clients", task);
const money = await client.GET("/api/v1/tasks/{task}/money", task);
const models = await client.GET("/api/v1/tasks/{task}/models", task);
const missing = await client.GET("/api/v1/tasks/{task}/details", { params: { path: { task: 9 } } });
if (!tasks.data || !details.data || !rounds.data || !clients.data || !money.data || !models.data || !missing.error) {
  throw new Error("an answer is missing");
}
const privacy: Figure | null = details.data.privacy;
const code: string = missing.error.code;
console.log(
  JSON.stringify({
    title: tasks.data.items[0].title,
    state: tasks.data.items[0].state,
    next: tasks.data.next,
    parameters: details.data.agreed?.parameters,
    epsilon: privacy?.epsilon,
    rounds: rounds.data.items.map((one) => [one.round, one.model]),
    earned: clients.data.items.map((one) => one.earned),
    held: money.data.held,
    models: models.data.items.map((one) => one.digest),
    year: new Date(details.data.task_until ?? 0).getUTCFullYear(),
    missing: code,
  }),
);
