import type * as changefeed from './index.ts' with { 'resolution-mode': 'import' }

// Types follow by themselves. Values are listed, as `module: node16` does not let CommonJS import those of an ES module.
export type * from './index.ts' with { 'resolution-mode': 'import' }
export type Changefeed<Identity extends string = string> = changefeed.Changefeed<Identity>
export declare const Changefeed: typeof changefeed.Changefeed
export type ChangefeedError = changefeed.ChangefeedError
export declare const ChangefeedError: typeof changefeed.ChangefeedError
export declare const compareCursors: typeof changefeed.compareCursors
export declare const createChangefeed: typeof changefeed.createChangefeed
export declare const createRealtime: typeof changefeed.createRealtime
export declare const defineConfig: typeof changefeed.defineConfig
export declare const formatCursor: typeof changefeed.formatCursor
export declare const isComplete: typeof changefeed.isComplete
export declare const parseCursor: typeof changefeed.parseCursor
