import type * as client from './client.ts' with { 'resolution-mode': 'import' }

export type * from './client.ts' with { 'resolution-mode': 'import' }
export declare const changefeed: typeof client.changefeed
