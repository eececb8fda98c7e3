import { z } from 'zod'
import { link } from './link-schema.ts'
import { changed, history, incidents, links, mesh, problem, self, snapshot } from './schemas.ts'

interface Parameter {
  readonly name: string
  readonly isRequired?: boolean
  readonly schema: z.ZodType
}

/** What there is to ask for: the OpenAPI description and the reference page derive from it. */
export const operations: readonly {
  readonly path: string
  readonly summary: string
  readonly type?: string
  readonly schema: z.ZodType
  readonly parameters?: readonly Parameter[]
}[] = [
  {
    path: '/api/v1/links',
    summary: 'the state of every check on every link of the mesh, now or at a moment of the last day',
    schema: links,
    parameters: [{ name: 'at', schema: z.int().min(0).describe('wall clock in milliseconds since 1970') }],
  },
  {
    path: '/api/v1/history',
    summary: 'ten minutes by 10 s and a day by the minute of one link, and its newest failures',
    schema: history,
    parameters: [
      { name: 'from', schema: z.string().describe('node that probes (default: that of this agent)') },
      { name: 'to', schema: z.string().describe('node that is probed (default: all)') },
      { name: 'check', schema: z.string().describe('one check (default: all)') },
    ],
  },
  {
    path: '/api/v1/link',
    summary: 'the last results of one link with their phases, its newest failures, and what was collected about it',
    schema: link,
    parameters: [
      { name: 'from', schema: z.string().describe('node that probes (default: that of this agent)') },
      { name: 'to', schema: z.string().describe('node that is probed (default: all)') },
    ],
  },
  { path: '/api/v1/incidents', summary: 'incidents, the gravest first, with their evidence', schema: incidents },
  { path: '/api/v1/mesh', summary: 'incidents, agents, and the checks that fail on each link', schema: mesh },
  { path: '/api/v1/self', summary: 'what this agent is, may do and sees', schema: self },
  { path: '/api/v1/snapshot', summary: 'everything that this agent knows by itself', schema: snapshot },
  {
    path: '/api/v1/events',
    summary: 'server-sent events: `changed` when a document has changed, at most once a second',
    type: 'text/event-stream',
    schema: changed,
  },
]

/** Returns the description of the API, as OpenAPI 3.1 has it. */
export function openApi(version: string) {
  return {
    openapi: '3.1.1',
    info: {
      title: 'Scout',
      version,
      description: 'What an agent of Scout knows of the mesh. Everything here is read-only; nothing can start a probe.',
    },
    paths: Object.fromEntries(
      operations.map(({ path, summary, type = 'application/json', schema, parameters = [] }) => [
        path,
        {
          get: {
            operationId: path.replace('/api/v1/', ''),
            summary,
            parameters: parameters.map(({ name, schema }) => ({ name, in: 'query', schema: jsonSchemaOf(schema) })),
            responses: {
              200: answerOf(summary, schema, type),
              ...(type === 'application/json' ? { 304: { description: 'the client has this document already' } } : {}),
              ...(parameters.length === 0 ? {} : { 400: answerOf('a parameter is invalid', problem) }),
              401: answerOf('a token is needed, or another one', problem),
              421: answerOf('the Host header does not name this agent', problem),
              503: answerOf('too many requests at once; Retry-After says when to try again', problem),
            },
          },
        },
      ]),
    ),
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
    security: [{}, { token: [] }],
  }
}

function answerOf(description: string, schema: z.ZodType, type = 'application/json') {
  return { description, content: { [type]: { schema: jsonSchemaOf(schema) } } }
}

/** OpenAPI 3.1 takes schemas of JSON Schema 2020-12, without the dialect. */
function jsonSchemaOf(schema: z.ZodType) {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, {
    io: 'output',
    target: 'draft-2020-12',
    override({ jsonSchema }) {
      // Newer agents add fields. That JavaScript holds no larger integers exactly says nothing about a count.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum
    },
  })
  return rest
}
