/** Tells records of all models apart; `id` as the database or as clients have it. */
export const recordKey = (identity: string, id: unknown): string => JSON.stringify([identity, String(id)])
