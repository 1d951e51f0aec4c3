/* Uses the TypeScript client that is generated from openapi.yaml, and prints what it was told. See tests/api/test_clients.py. */

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

declare const process: { argv: string[] };

const [url, order, username, password] = process.argv.slice(2);

const login = await createClient<paths>({ baseUrl: url }).POST("/api/v1/auth/token", { body: { username, password } });
if (!login.data) throw new Error(login.error.detail.message);
const api = createClient<paths>({ baseUrl: url, headers: { "x-access-token": login.data.token } });

const Location = { LocationNum: "L-1", ServiceAreaID: "LEEDS" };
const search = await api.POST("/api/v1/appointments/search", { body: { Location } });
if (!search.data) throw new Error(search.error.detail.message);
const [offer] = search.data.TimeConstraints;

const book = (order: string, chosen: components["schemas"]["ChosenTime"]) =>
  api.POST("/api/v1/workorders/{order}/followup", {
    params: { path: { order } },
    body: { Account: { AccountNum: "C-1" }, Location, TimeConstraints: [chosen] },
  });
const booked = await book(order, { ID: offer.ID });
const full = await book(`${order}-2`, { Period: offer.Period });
const refused: components["schemas"]["ErrorParams"] | undefined = full.error?.detail.params;

const page = await api.GET("/api/v1/workorders", { params: { query: { limit: 1 } } });
if (!page.data) throw new Error(page.error.detail.message);
const rest = await api.GET("/api/v1/workorders", { params: { query: { cursor: page.data.Next } } });
console.log(
  JSON.stringify({
    booked: booked.data?.OrderNum,
    refused: [refused?.error, refused?.reason, refused?.alternatives?.[0].Period.Start],
    feed: page.data.WorkOrders.map((read) => [read.OrderNum, read.Status, read.Status === "gone" ? "" : read.Place.Desc]),
    rest: [rest.data?.WorkOrders, rest.data?.More],
  }),
);
